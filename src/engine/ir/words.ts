/** Lists of names that are written as text, typed as the union of their words. */

/** Words between spaces. */
type WordsOfLine<Line extends string> = Line extends `${infer First} ${infer Rest}` ? First | WordsOfLine<Rest> : Line

/** The words of a text of one or more lines, as a union. */
export type Words<Text extends string> = Exclude<
  Text extends `${infer Line}\n${infer Rest}` ? WordsOfLine<Line> | Words<Rest> : WordsOfLine<Text>,
  ''
>

/** The words of `text`, in order. */
export const wordsOf = <const Text extends string>(text: Text): Words<Text>[] =>
  text.split(/\s+/).filter((word) => word !== '') as Words<Text>[]
