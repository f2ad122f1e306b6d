import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startProcess } from '../fixtures/tiny-world.ts';
import { compileLoader, LIBRARY_LOADER } from './addon.ts';
import { compilerCommand } from './compiler.ts';
import { FRAMEWORK_OBJECT, inspectLibrary } from './library.ts';
import { findLibrary } from './setup.ts';

const folder = mkdtempSync(join(tmpdir(), 'eflow-load-'));
afterAll(() => rmSync(folder, { recursive: true }));
const real = findLibrary()!;

function compile(...args: string[]): void {
  const [command, ...own] = compilerCommand();
  const { status, stderr } = spawnSync(command, [...own, ...args], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}

/** Makes `path` a shared library of that name without anything in it. */
function stub(path: string, name: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const source = join(folder, 'empty.cc');
  writeFileSync(source, '');
  compile('-shared', '-fPIC', source, `-Wl,-soname,${name}`, '-o', path);
}

describe('beside another TensorFlow in LD_LIBRARY_PATH', () => {
  const foreign = join(folder, 'foreign');
  beforeAll(() => {
    for (const name of [FRAMEWORK_OBJECT, real.mainObject]) stub(join(foreign, name), name);
  });

  it.each(['0', '2'])('uses its own; TF_CPP_MIN_LOG_LEVEL=%s', async (TF_CPP_MIN_LOG_LEVEL) => {
    const env = { ...(process.env as Record<string, string>), LD_LIBRARY_PATH: foreign, TF_CPP_MIN_LOG_LEVEL };
    const { code, output } = await startProcess('fixtures/use-without-utilities.ts', [], env).done;
    expect(output).toMatch(/^2\.\d+\.\d+ 6\n$/m);
    expect(code).toBe(0);
  });

  it('names LD_LIBRARY_PATH where something else there stops it', async () => {
    const broken = join(folder, 'broken');
    mkdirSync(broken);
    writeFileSync(join(broken, 'librt.so.1'), 'no library'); // TensorFlow needs it, Node.js does not
    const env = { ...(process.env as Record<string, string>), LD_LIBRARY_PATH: broken };
    const { code, output } = await startProcess('src/cli.ts', ['doctor'], env).done;
    expect(output).toMatch(/^MISSING TensorFlow +TensorFlow could not be loaded: \S*librt\.so\.1: file too short\.$/m);
    expect(output).toContain(`Unset LD_LIBRARY_PATH (${broken})`);
    expect(code).toBe(1);
  });
});

describe('TensorFlow for CUDA', () => {
  // The real framework library, laid out as wheels bring it, with NVIDIA's libraries without content. The library
  // for CPUs asks for the same ones, by names without versions.
  const isCuda = existsSync(join(real.libraryFolder, '..', 'nvidia'));
  const object = (name: string, version: number) => (isCuda ? `lib${name}.so.${version}` : `lib${name}.so`);
  const world = join(folder, 'cuda');
  const others = join(world, 'others');
  const state = join(world, 'state.node');
  beforeAll(async () => {
    mkdirSync(join(world, 'tensorflow'), { recursive: true });
    for (const name of [FRAMEWORK_OBJECT, real.mainObject]) {
      symlinkSync(join(real.libraryFolder, name), join(world, 'tensorflow', name));
    }
    symlinkSync(real.includeFolder, join(world, 'tensorflow', 'include'));
    const versions = { cudart: 12, cublas: 12, cublasLt: 12, cufft: 11, cusparse: 12, cudnn: 9 };
    for (const [name, version] of Object.entries(versions)) {
      stub(join(others, object(name, version)), object(name, version));
    }
    await compileLoader(join(world, LIBRARY_LOADER), inspectLibrary(world));
    const headers = join(dirname(createRequire(import.meta.url).resolve('node-api-headers/package.json')), 'include');
    const source = fileURLToPath(new URL('../fixtures/library-state.cc', import.meta.url));
    compile('-std=c++17', '-shared', '-fPIC', `-I${headers}`, source, '-o', state);
  });

  const load = (env: Record<string, string> = {}) => {
    const code = `require(${JSON.stringify(join(world, LIBRARY_LOADER))}); console.log(JSON.stringify(require(${JSON.stringify(state)})))`;
    const { stdout } = spawnSync(process.execPath, ['-e', code], {
      env: { TF_CPP_MIN_LOG_LEVEL: '2', LD_LIBRARY_PATH: others, ...env },
      encoding: 'utf8',
    });
    return JSON.parse(stdout);
  };

  it("finds cuSOLVER, for which it does not look beside itself, and so all of NVIDIA's libraries", () => {
    stub(join(world, 'nvidia', 'cusolver', 'lib', 'libcusolver.so.11'), object('cusolver', 11));
    expect(load().cuda).toBe(true);
  });

  it('multiplies in full float32 unless told otherwise', () => {
    expect(load().tensorFloat32).toBe(false);
    expect(load({ EFLOW_TF32: '1' }).tensorFloat32).toBe(true);
    expect(load({ EFLOW_TF32: '0', TF_CPP_MIN_LOG_LEVEL: '0' }).tensorFloat32).toBe(false);
  });
});
