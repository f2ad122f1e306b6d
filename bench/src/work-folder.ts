import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Calls `use` with an empty folder, which is gone afterwards, and with the environment for children. torch.compile starts
 * from nothing, as everyone does here: what it compiled yesterday stays out of its first call.
 */
export async function withWorkFolder<T>(use: (folder: string, env: NodeJS.ProcessEnv) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'eflow-bench-'));
  const clean = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', clean);
  const inductor = join(folder, 'inductor');
  try {
    return await use(folder, { ...process.env, TORCHINDUCTOR_CACHE_DIR: inductor, PYTHONDONTWRITEBYTECODE: '1' });
  } finally {
    clean();
    process.off('exit', clean);
  }
}
