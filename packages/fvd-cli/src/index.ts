export { type ClipSource, type ClipSpec, openSource } from './clip-source.ts';
export { loadDigits, loadI3D, loadOnnx } from './load-extractor.ts';
export { formatMeasurement, formatTable, type Measurement, measure, type Seen } from './measure.ts';
export { blackAgainstWhite, KNOWN_DISTANCE } from './self-check.ts';
