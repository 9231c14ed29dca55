// Bundles the studio's Worker (src/studio/worker) into dist/studio/worker.mjs and puts its migrations beside it. The
// embedded studio and the published package load these files; wrangler bundles for itself.
import { cp, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const worker = path.join(root, 'src/studio/worker');
const out = path.join(root, 'dist/studio');

await mkdir(out, { recursive: true });
await build({
  entryPoints: [path.join(worker, 'index.ts')],
  outfile: path.join(out, 'worker.mjs'),
  bundle: true,
  format: 'esm',
  target: 'es2024',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  conditions: ['workerd', 'worker', 'import'],
  // Given by the runtime.
  external: ['cloudflare:*'],
  minifySyntax: true,
  legalComments: 'linked',
  logLevel: 'warning',
});
await rm(path.join(out, 'migrations'), { recursive: true, force: true });
await cp(path.join(worker, 'migrations'), path.join(out, 'migrations'), { recursive: true });
