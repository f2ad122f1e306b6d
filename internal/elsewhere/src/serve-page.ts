import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Serves page.ts, bundled from the packages' sources, the wasm backend's binaries, and the checkpoints and JSON files in
 * `folder`, on a free port of 127.0.0.1. The server does not keep the process running.
 */
export async function servePage(folder: string): Promise<Server> {
  const require = createRequire(import.meta.url);
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL('./page.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    conditions: ['@eflow/source'],
    alias: { '@tensorflow/tfjs': require.resolve('@tensorflow/tfjs-core/dist/register_all_gradients.js') }, // as @eflow/tensor's build
    logLevel: 'error',
  });
  const script = bundle.outputFiles[0]!.text;
  const binaries = dirname(require.resolve('@tensorflow/tfjs-backend-wasm'));
  const server = createServer(({ url = '' }, response) => {
    const send = (type: string, body: string | Buffer) => response.setHeader('content-type', type).end(body);
    const sendFile = (type: string, from: string) => send(type, readFileSync(join(from, basename(url))));
    if (url === '/') send('text/html', '<!doctype html><script type="module" src="/page.js"></script>');
    else if (url === '/page.js') send('text/javascript', script);
    else if (url.endsWith('.wasm')) sendFile('application/wasm', binaries);
    else if (url.endsWith('.safetensors')) sendFile('application/octet-stream', folder);
    else if (url.endsWith('.json')) sendFile('application/json', folder);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve).unref());
  return server;
}
