/**
 * A text of at most so many characters. Characters are Unicode code points, as the schemas at the edge count them; Mongoose's own
 * `maxlength` counts UTF-16 units, and so refuses half of the emoji that the edge lets in.
 */
export function textUpTo(maxCharacters: number) {
  return {
    type: String,
    validate: {
      validator: (text: string | null) => text === null || [...text].length <= maxCharacters,
      message: `Too long: expected at most ${maxCharacters} characters`,
      type: 'maxlength',
    },
  };
}

/** As much of the text as {@link textUpTo} takes. */
export function clipped(text: string, maxCharacters: number): string {
  return [...text].slice(0, maxCharacters).join('');
}
