/** Tensors of a PyTorch state_dict by name, as `readSafetensors` of @eflow/checkpoint gives them. */
export type StateDict = ReadonlyMap<
  string,
  { readonly shape: readonly number[]; readonly data: Float32Array | Float64Array | Int32Array | BigInt64Array }
>;
