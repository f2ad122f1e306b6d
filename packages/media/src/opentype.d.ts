/** What @eflow/media uses of opentype.js 1.3.4, whose own types are of a package that takes a browser for granted. Sizes are in pixels. */
declare module 'opentype.js' {
  export interface Font {
    getAdvanceWidth(text: string, fontSize: number): number;
    /** The outlines of a text that begins at (x, y), y on the baseline. */
    getPath(text: string, x: number, y: number, fontSize: number): { toPathData(decimals: number): string };
  }
  /** Throws on what is no OpenType, TrueType or WOFF. */
  function parse(file: ArrayBuffer): Font;
  const opentype: { parse: typeof parse };
  export default opentype;
}
