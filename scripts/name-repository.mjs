// Writes where the repository is into the manifest of every package: node scripts/name-repository.mjs https://HOST/OWNER/NAME
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

const [address] = process.argv.slice(2);
if (!/^https:\/\/[^/]+\/[^/]+\/[^/.]+$/.test(address ?? '')) {
  console.error(`name-repository: got ${address ?? 'nothing'}; expected an address such as https://HOST/OWNER/NAME`);
  process.exit(1);
}
for (const name of readdirSync('packages')) {
  const file = `packages/${name}/package.json`;
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  Object.assign(manifest, {
    homepage: `${address}/tree/main/packages/${name}#readme`,
    bugs: `${address}/issues`,
    repository: { type: 'git', url: `git+${address}.git`, directory: `packages/${name}` },
  });
  writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
}
