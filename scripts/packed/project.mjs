// An empty project of a user's, in which a package is installed from a registry and its examples run.
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { bin, ROOT, run } from './run.mjs';

const TSX = import.meta.resolve('tsx');
const RESOLUTIONS = { bundler: 'ESNext', node16: 'Node16', nodenext: 'NodeNext' };

/** The words after the first `npm install` of a README, and its TypeScript examples. */
export function readReadme(text) {
  const install = /^ *npm install ([^#&\n]+)/m.exec(text)?.[1].trim().split(/\s+/);
  const examples = [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code);
  return { install, examples };
}

/**
 * A project in `folder` that installs by `manager`, npm or pnpm, on the Node.js whose `bin` folder is `node`. `npmrc` names the registry.
 */
export function createProject(folder, { manager, node, npmrc }) {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, '.npmrc'), npmrc);
  if (!existsSync(join(folder, 'package.json'))) {
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'project', private: true, type: 'module' }));
  }
  // What this command was itself started with is no setting of the project's.
  const kept = Object.entries(process.env).filter(([name]) => !/^(npm|pnpm)_/i.test(name));
  const env = { ...Object.fromEntries(kept), PATH: `${node}:${process.env.PATH}`, npm_config_cache: npmCache(folder) };
  const call = (command, args) => run(command, args, { cwd: folder, env });
  return {
    /** Installs packages, or those of package.json: the seconds it took. */
    async install(packages = []) {
      const start = performance.now();
      if (manager === 'npm') await call('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...packages]);
      else if (packages.length > 0) await call('pnpm', ['add', '--prefer-offline', ...packages]);
      else await call('pnpm', ['install', '--prefer-offline', '--no-frozen-lockfile']);
      return (performance.now() - start) / 1000;
    },
    /** Installed packages that bring a script of their own that npm runs. */
    packagesWithScripts() {
      const lock = JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8'));
      return Object.entries(lock.packages).flatMap(([path, { hasInstallScript }]) => (hasInstallScript ? [path] : []));
    },
    countPackages: () =>
      Object.keys(JSON.parse(readFileSync(join(folder, 'node_modules/.package-lock.json'), 'utf8')).packages).length,
    megabytes: () => bytesOf(join(folder, 'node_modules')) / 1e6,
    write: (name, text) => writeFileSync(join(folder, name), text),
    copy: (source) =>
      cpSync(source, folder, { recursive: true, filter: (path) => !/node_modules|\/(runs|dist)$/.test(path) }),
    call,
    runExample: async (name) => (await call('node', ['--import', TSX, name])).stdout,
    /** Type-checks files under `strict`, as a bundler and as both of Node.js' ways resolve imports. Throws with the errors. */
    async check(files) {
      for (const [moduleResolution, module] of Object.entries(RESOLUTIONS)) {
        const compilerOptions = {
          ...{
            strict: true,
            noEmit: true,
            skipLibCheck: true,
            target: 'ES2022',
            lib: ['ES2023', 'DOM'],
            module,
            moduleResolution,
          },
          ...{ types: ['node'], typeRoots: [join(ROOT, 'node_modules/@types')] },
        };
        const name = `tsconfig.${moduleResolution}.json`;
        writeFileSync(join(folder, name), JSON.stringify({ compilerOptions, files }));
        await call(bin('tsc'), ['-p', name]);
      }
    },
  };
}

/** A cache of npm's with the downloads of the user's, and without what `npx` has installed before. */
function npmCache(folder) {
  const cache = join(folder, '.npm');
  const downloads = join(homedir(), '.npm', '_cacache');
  mkdirSync(cache, { recursive: true });
  mkdirSync(downloads, { recursive: true });
  symlinkSync(downloads, join(cache, '_cacache'));
  return cache;
}

function bytesOf(path) {
  const stat = lstatSync(path);
  if (!stat.isDirectory()) return stat.size;
  return readdirSync(path).reduce((sum, name) => sum + bytesOf(join(path, name)), 0);
}

/** The folder with the program of a Node.js `major` version, fetched by npm into `cache` unless it is this one. */
export async function findNode(major, cache) {
  if (major === process.versions.node.split('.')[0]) return dirname(process.execPath);
  const folder = join(cache, `node-${major}`);
  const program = join(folder, `node_modules/node-linux-${process.arch}/bin/node`);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    await run('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', `node-linux-${process.arch}@${major}`]);
  }
  return dirname(program);
}
