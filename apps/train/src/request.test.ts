import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRunFolder, loadConfig } from '@eflow/run';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createProgram, type Request } from './request.ts';

const root = mkdtempSync(join(tmpdir(), 'request-'));
afterAll(() => rmSync(root, { recursive: true }));
const run = join(root, 'run');
const { metrics } = createRunFolder(run, loadConfig('digits-tiny', ['seed=7']));
writeFileSync(metrics, '{"step":0}\n');
const yaml = join(root, 'config.yaml');
writeFileSync(yaml, stringify(loadConfig('digits-tiny', ['name=mine', 'seed=5'])));

async function parse(args: string): Promise<Request> {
  let request: Request | undefined;
  const program = createProgram(async (given) => {
    request = given;
  });
  program.exitOverride().configureOutput({ writeErr: () => {} });
  await program.parseAsync(args.split(' ').filter(Boolean), { from: 'user' });
  return request!;
}

describe('train', () => {
  it.each<[args: string, request: Partial<Request>, seed: number]>([
    ['', { does: 'train', start: 'new', root: 'runs/digits-tiny', eager: false, json: false }, 0],
    ['digits-tiny seed=3', { does: 'train', start: 'new', root: 'runs/digits-tiny' }, 3],
    [`${yaml} --eager`, { does: 'train', start: 'new', root: 'runs/mine', eager: true }, 5],
    [`${yaml} --out there`, { does: 'train', start: 'new', root: 'there' }, 5],
    [`${yaml} --overwrite`, { does: 'train', start: 'overwrite', root: 'runs/mine' }, 5],
    [`${yaml} --overwrite --out there`, { does: 'train', start: 'overwrite', root: 'there' }, 5],
    [`--dry-run ${yaml} --json`, { does: 'dryRun', json: true }, 5],
    [`--dry-run ${yaml} --out there --overwrite --eager`, { does: 'dryRun', eager: true }, 5],
    [`--print-config ${yaml} seed=4`, { does: 'printConfig' }, 4],
    [`--print-config ${yaml} --out there --overwrite`, { does: 'printConfig' }, 5],
    [`--resume ${run}`, { does: 'train', start: 'resume', root: run }, 7],
    [`--resume ${run} seed=8 training.steps=90`, { does: 'train', start: 'resume', root: run }, 8],
    [`seed=8 --resume ${run} --eager`, { does: 'train', start: 'resume', root: run, eager: true }, 8],
    [`--resume ${run} seed=8 --dry-run --json`, { does: 'dryRun', start: 'resume', root: run, json: true }, 8],
    [`--resume ${run} seed=8 --print-config`, { does: 'printConfig', start: 'resume' }, 8],
  ])('%s is what it says', async (args, expected, seed) => {
    const request = await parse(args);
    expect(request).toMatchObject(expected);
    expect(request.config.seed).toBe(seed);
  });

  it.each([
    [`${yaml} --resume ${run}`, `so that '${yaml}' would be ignored`],
    [`--resume ${run} digits-tiny`, "so that 'digits-tiny' would be ignored: leave it out"],
    [`--resume ${run} seed=8 ${yaml}`, `so that '${yaml}' would be ignored`],
    [`--resume ${run} --out there`, "'--resume <folder>' cannot be used with option '--out <folder>'"],
    [`--resume ${run} --overwrite`, "'--resume <folder>' cannot be used with option '--overwrite'"],
    [`--resume ${run} --dry-run --out there`, "cannot be used with option '--out <folder>'"],
    [`--resume ${run} sed=8`, "sed: unknown key; did you mean 'seed'?"],
    ['--resume nowhere', 'no run here'],
    [`${yaml} --json`, '--json goes with --dry-run'],
    [`${yaml} --json --print-config`, '--json goes with --dry-run'],
    [`--resume ${run} --json`, '--json goes with --dry-run'],
    [`${yaml} --print-config --dry-run`, "'--print-config' cannot be used with option '--dry-run'"],
    [`${yaml} there`, "override 'there': expected key=value"],
    [`${yaml} --dryrun`, "unknown option '--dryrun'"],
    ['seed=3', "config 'seed=3'"],
  ])('%s is refused, and nothing was done', async (args, message) => {
    await expect(parse(args)).rejects.toThrow(message);
    expect(readdirSync(root).sort()).toEqual(['config.yaml', 'run']);
    expect(readFileSync(metrics, 'utf8')).toBe('{"step":0}\n');
  });
});
