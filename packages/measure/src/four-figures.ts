/** A number to about four figures. */
export const fourFigures = (value: number): string => String(Number(value.toPrecision(4)));
