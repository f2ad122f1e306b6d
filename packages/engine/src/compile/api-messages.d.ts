/** TensorFlow's messages in TensorFlow.js' package for Node.js: what is used of them, since it declares no types. */
declare module '@tensorflow/tfjs-node-gpu/dist/proto/api_pb.js' {
  interface OpDef {
    getName(): string;
    getInputArgList(): { getTypeAttr(): string; getNumberAttr(): string; getTypeListAttr(): string }[];
    getOutputArgList(): unknown[];
    getAttrList(): {
      getName(): string;
      getType(): string;
      getAllowedValues(): { getList(): { getTypeList(): number[] } | undefined } | undefined;
    }[];
    getIsStateful(): boolean;
  }
  const api: { OpList: { deserializeBinary(bytes: Uint8Array): { getOpList(): OpDef[] } } };
  export default api;
}
