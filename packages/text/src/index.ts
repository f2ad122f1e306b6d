export { checkCaption } from './caption.ts';
export {
  collectWords,
  numberWords,
  readWords,
  splitWords,
  unknownWords,
  WORDS_STEP,
  type Words,
} from './vocabulary.ts';
export {
  checkWordEncoder,
  initWordEncoder,
  type WordEncoderConfig,
  type WordEncoderParams,
  wordEncoder,
} from './word-encoder.ts';
