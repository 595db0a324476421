/** Operator domains by name; the standard one is ''. */
export const MICROSOFT = 'com.microsoft'
