/** What @eflow/media uses of gifenc 1.0.3, which has no types of its own. Colours are [R, G, B]. */
declare module 'gifenc' {
  interface Encoder {
    writeFrame(
      index: Uint8Array,
      width: number,
      height: number,
      options: { palette?: number[][]; delay: number; repeat?: number },
    ): void;
    finish(): void;
    bytes(): Uint8Array;
  }
  export function GIFEncoder(): Encoder;
  export function quantize(rgba: Uint8Array, maxColors: number, options?: { format: 'rgb444' | 'rgb565' }): number[][];
  export function applyPalette(rgba: Uint8Array, palette: number[][]): Uint8Array;
}
