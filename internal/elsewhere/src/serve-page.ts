import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

/**
 * Serves page.ts, bundled from the packages' sources, and the wasm backend's binaries, on a free port of 127.0.0.1. The
 * server does not keep the process running.
 */
export async function servePage(): Promise<Server> {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL('./page.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    conditions: ['@eflow/source'],
    logLevel: 'error',
  });
  const script = bundle.outputFiles[0]!.text;
  const binaries = dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm'));
  const server = createServer(({ url = '' }, response) => {
    const send = (type: string, body: string | Buffer) => response.setHeader('content-type', type).end(body);
    if (url === '/') send('text/html', '<!doctype html><script type="module" src="/page.js"></script>');
    else if (url === '/page.js') send('text/javascript', script);
    else if (url.endsWith('.wasm')) send('application/wasm', readFileSync(join(binaries, basename(url))));
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve).unref());
  return server;
}
