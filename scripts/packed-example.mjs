// Installs @eflow/attention from its tarball into an empty project, as a user without TensorFlow would, and runs its
// README's example there on tfjs' cpu backend.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/**
 * What the example prints. `tarballs` are those of @eflow/tensor and @eflow/attention. Throws if npm or the example fails,
 * or if the example prints anything but what its comments say.
 */
export function runPackedExample(tarballs) {
  const readme = readFileSync(join(root, 'packages/attention/README.md'), 'utf8');
  const example = /^```ts\n(.*?)^```/ms.exec(readme)[1];
  const promised = [...example.matchAll(/^console\.log\(.*\); \/\/ (.*)$/gm)].map(([, line]) => `${line}\n`).join('');
  const manifest = join(root, 'packages/tensor/node_modules/@tensorflow/tfjs-core/package.json');
  const { version } = JSON.parse(readFileSync(manifest, 'utf8'));
  const project = mkdtempSync(join(tmpdir(), 'eflow-example-'));
  const run = (command, args) => execFileSync(command, args, { cwd: project, encoding: 'utf8', stdio: 'pipe' });
  try {
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
    writeFileSync(join(project, 'example.ts'), `import '@tensorflow/tfjs-backend-cpu';\n${example}`);
    const tfjs = [`@tensorflow/tfjs-core@${version}`, `@tensorflow/tfjs-backend-cpu@${version}`];
    run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', ...tarballs, ...tfjs]);
    const printed = run(process.execPath, ['--import', import.meta.resolve('tsx'), 'example.ts']);
    if (printed !== promised) throw new Error(`prints ${printed}where its comments say ${promised}`);
    return printed;
  } finally {
    rmSync(project, { recursive: true });
  }
}
