/** The TensorFlow that the engine runs on, and the exact wheels it is taken from. */
export const TENSORFLOW_VERSION = '2.21.0';

/** One wheel of a package index, and the one folder that the engine takes from it. */
export interface Wheel {
  /** Distribution name, as pip takes it. */
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly sizeBytes: number;
  /** Bytes of the members taken. */
  readonly unpackedBytes: number;
  /** The folder that the wheel brings; it appears in the library folder by one rename. */
  readonly folder: string;
  /** Members taken, by path inside the wheel. */
  readonly members: RegExp;
}

export type Device = 'cpu' | 'cuda';
export type Architecture = 'x64' | 'arm64';

/** Tags for pip: any CPython would do, since nothing of the wheel runs in Python. */
export const PYTHON_TAG = '3.11';
export const PLATFORM_TAGS: Readonly<Record<Architecture, readonly string[]>> = {
  x64: ['manylinux_2_27_x86_64', 'manylinux2014_x86_64', 'manylinux2010_x86_64'],
  arm64: ['manylinux_2_27_aarch64', 'manylinux2014_aarch64'],
};

/** The C library, the headers of its C API, and Eigen's for kernels of one's own. */
const TENSORFLOW_MEMBERS =
  /^tensorflow\/(libtensorflow_(cc|framework)\.so\.2|include\/(LICENSE|Eigen\/.*|unsupported\/.*|tsl\/.*|xla\/tsl\/c\/.*|tensorflow\/(c|core\/platform|core\/common_runtime\/next_pluggable_device)\/.*))$/;
/** Shared libraries, and the assembler and device bitcode that XLA calls. */
const NVIDIA_MEMBERS = /^nvidia\/[^/]+\/(lib|bin|nvvm)\/.+$/;

const tensorflow = (name: string, sizeBytes: number, unpackedBytes: number, sha256: string): Wheel => ({
  name,
  version: TENSORFLOW_VERSION,
  sha256,
  sizeBytes,
  unpackedBytes,
  folder: 'tensorflow',
  members: TENSORFLOW_MEMBERS,
});

/** NVIDIA's wheels: the part, its version, the bytes of the wheel and of the members taken, its SHA-256. */
const NVIDIA = `
cublas 12.9.3.13 581217458 855e6 d7d51055f161b317c7105ddaae90e71eda059026074ffef93cf7cde2886bfe72
cuda_cupti 12.8.90 10248621 41e6 ea0cb07ebda26bb9b29ba82cda34849e73c166c18162d3913575b0c9db9a6182
cuda_nvcc 12.9.86 40546229 98e6 5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0
cuda_nvrtc 12.9.86 89568129 227e6 210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4
cuda_runtime 12.9.79 3493179 5.4e6 25bba2dfb01d48a9b59ca474a1ac43c6ebf7011f1b0b8cc44f54eb6ac48a96c3
cudnn 9.28.0.42 716538495 1162e6 9ff58b7f36dacd0a93e89f8f2957b52466889217963701daa15e577317cfa375
cufft 11.4.1.4 200877592 294e6 c67884f2a7d276b4b80eb56a79322a95df592ae5e765cf1243693365ccab4e28
curand 10.3.10.19 68295626 167e6 49b274db4780d421bd2ccd362e1415c13887c53c214f0d4b761752b8f9f6aa1e
cusolver 11.7.5.82 338117415 495e6 15da72d1340d29b5b3cf3fd100e3cd53421dde36002eda6ed93811af63c40d88
cusparse 12.5.10.65 366465088 487e6 73060ce019ac064a057267c585bf1fd5a353734151f87472ff02b2c5c9984e78
nccl 2.32.3 351526311 490e6 bb94b2348e4861d5e8aa00b36c3d12d9bdf9c6369b82cbb723de0b582280a21c
nvjitlink 12.9.86 39748338 96e6 e3f1171dbdc83c5932a45f0f4c99180a70de9bd2718c1ab77d14104f6d7147f9
`;

const nvidia = NVIDIA.trim()
  .split('\n')
  .map((line): Wheel => {
    const [part, version, sizeBytes, unpackedBytes, sha256] = line.split(' ');
    return {
      name: `nvidia-${part!.replaceAll('_', '-')}-cu12`,
      version: version!,
      sha256: sha256!,
      sizeBytes: Number(sizeBytes),
      unpackedBytes: Number(unpackedBytes),
      folder: `nvidia/${part}`,
      members: NVIDIA_MEMBERS,
    };
  });

/** Every wheel, by device and architecture; the CUDA ones are what TensorFlow's metadata asks for as `and-cuda`. */
export const WHEELS: Readonly<Record<`${Device}-${Architecture}`, readonly Wheel[]>> = {
  'cpu-x64': [
    tensorflow('tensorflow-cpu', 273829956, 862e6, '2b847d217b02ee7731ed91431daf3250daa0196c3c94614d23be27232e6e5b6c'),
  ],
  'cpu-arm64': [
    tensorflow('tensorflow', 281828020, 900e6, '4b24aca16d527a3cf1c37f720c04c484c3d20f4d0fdfa98632ac8b9f3be6eb5c'),
  ],
  'cuda-x64': [
    tensorflow('tensorflow', 572440367, 1272e6, '9056fbc9ba04235810b71ae6cbd958a196e8804fb53bbcffbf3e23b56155f124'),
    ...nvidia,
  ],
  'cuda-arm64': [], // published without CUDA
};
