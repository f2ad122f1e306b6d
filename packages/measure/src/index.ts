export { type ClipSource, type ClipSpec, openSource } from './clip-source.ts';
export { formatMeasurement, formatTable } from './format.ts';
export { loadDigits, loadI3D, loadOnnx } from './load-extractor.ts';
export { type Measurement, type MeasureOptions, measure, type Seen } from './measure.ts';
export { blackAgainstWhite, KNOWN_DISTANCE } from './self-check.ts';
export { drawOf, type Tally } from './tally.ts';
