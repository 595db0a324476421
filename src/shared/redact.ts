/** Takes secrets out of a line of the log, wherever in it they stand: in a field, an error's message, a URL. */

const REDACTED = '[redacted]'

/** what each kind looks like, and what is kept of it */
const FORMS: readonly (readonly [RegExp, string])[] = [
  [/\b(fb_)[0-9A-Za-z]{8,}/g, '$1'],
  [/\b(whsec_|whsk_)[0-9A-Za-z+/_=-]{8,}/g, '$1'],
  [/\b((?:Bearer|Basic)\s+)[\w.~+/=-]{8,}/gi, '$1'],
  [/\b(X-Amz-(?:Signature|Credential|Security-Token)=)[^&\s"\\]+/gi, '$1'],
  [/([?&](?:ticket|token|key|sig|signature|secret|password|access_token|api_key)=)[^&\s"\\]+/gi, '$1'],
  [/(:\/\/[^/\s:@"\\]*:)[^/\s@"\\]+(?=@)/g, '$1'],
]

/** `known`: secrets without a form, such as keys that an operator chose. */
export function redactor(known: readonly (string | undefined)[] = []): (line: string) => string {
  const words = known.filter((word): word is string => word !== undefined && word.length >= 8)
  return (line) => {
    const without = words.reduce((text, word) => text.replaceAll(word, REDACTED), line)
    return FORMS.reduce((text, [form, kept]) => text.replace(form, kept + REDACTED), without)
  }
}
