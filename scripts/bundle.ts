// Makes a bundle: what `npm run build` made, the packages that run it on one platform, and a Node to run it with, as
// one archive with its checksum beside it. The packages come from node_modules, so it is run on the platform it is for.
//
//   node scripts/bundle.ts --node <path of a Node> [--variant plain|cuda] [--out release] [--level 6]

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { chmod, copyFile, cp, link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { create } from 'tar';
import { bundleName, programOf, VARIANTS } from '../src/supervisor/update/layout.ts';
import { isNeeded, type LockEntry, packagesFor, type Target } from './bundle-contents.ts';

const root = path.resolve(import.meta.dirname, '..');
const { values } = parseArgs({
  options: {
    node: { type: 'string' },
    variant: { type: 'string', default: 'plain' },
    out: { type: 'string', default: 'release' },
    platform: { type: 'string', default: process.platform },
    arch: { type: 'string', default: process.arch },
    level: { type: 'string', default: '6' },
  },
});

const variant = VARIANTS.find((each) => each === values.variant);
if (variant === undefined) throw new Error(`--variant is one of ${VARIANTS.join(', ')}`);
if (values.node === undefined) throw new Error('--node names the Node that goes into the bundle');
if (!existsSync(path.join(root, 'dist/main.js'))) throw new Error('there is no dist/main.js: `npm run build` first');
const target: Target = { platform: values.platform, arch: values.arch, variant };
const { version } = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string };
const lock = JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8')) as {
  packages: Record<string, LockEntry>;
};

const out = path.resolve(values.out);
const name = bundleName(version, target);
const work = path.join(out, `.${name}.making`);
const inside = path.join(work, 'studio-worker');
await rm(work, { recursive: true, force: true });
await mkdir(inside, { recursive: true });
try {
  await addProgram();
  await addPackages();
  const node = await addNode(values.node);
  await writeFile(path.join(inside, 'bundle.json'), `${JSON.stringify({ version, ...target, node }, null, 2)}\n`);
  const unpackedBytes = await sizeOf(inside);
  const file = path.join(out, name);
  const level = Number(values.level);
  // `portable` leaves out who made it and when, so that the same input makes the same archive.
  await create({ file, cwd: work, gzip: { level }, portable: true, mtime: new Date(0) }, ['studio-worker']);
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  await writeFile(`${file}.sha256`, `${hash.digest('hex')}  ${name}\n`);
  const mib = (bytes: number): string => `${(bytes / 1024 ** 2).toFixed(1)} MiB`;
  console.log(`${file}: ${mib((await stat(file)).size)}, unpacked ${mib(unpackedBytes)}`);
} finally {
  await rm(work, { recursive: true, force: true });
}

async function addProgram(): Promise<void> {
  for (const part of ['bin', 'dist', 'docs', 'package.json', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
    await cp(path.join(root, part), path.join(inside, part), {
      recursive: true,
      filter: (file) => !/\.(tsbuildinfo|d\.ts|map)$/.test(file),
    });
  }
}

async function addPackages(): Promise<void> {
  for (const { path: folder, optional } of packagesFor(target, lock.packages)) {
    if (!existsSync(path.join(root, folder))) {
      if (optional) continue;
      // npm leaves out optional packages that it could not install; a bundle without its engines would be of no use.
      throw new Error(`${folder} is not installed: run this on ${target.platform}-${target.arch}, after npm ci`);
    }
    await addFolder(folder, folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length));
  }
}

async function addFolder(folder: string, packagePath: string): Promise<void> {
  for (const entry of await readdir(path.join(root, folder), { withFileTypes: true })) {
    const within = `${packagePath}/${entry.name}`;
    // Packages inside of packages have their own entry in the lock file; `.bin` has links only.
    if (entry.isDirectory() && entry.name !== 'node_modules') await addFolder(`${folder}/${entry.name}`, within);
    else if (entry.isFile() && isNeeded(within, target)) await place(path.join(root, folder, entry.name));
  }
}

async function place(file: string): Promise<void> {
  const to = path.join(inside, path.relative(root, file));
  await mkdir(path.dirname(to), { recursive: true });
  // A copy only where the two are on different disks.
  await link(file, to).catch(() => copyFile(file, to));
}

/** Returns its version. */
async function addNode(given: string): Promise<string> {
  const { node } = programOf(inside, target.platform as NodeJS.Platform);
  await mkdir(path.dirname(node), { recursive: true });
  await copyFile(given, node);
  if (process.platform !== 'win32') await chmod(node, 0o755);
  // Node's own: beside node.exe on Windows, above bin/ elsewhere.
  const licence = ['../LICENSE', '../../LICENSE'].map((each) => path.resolve(given, each)).find(existsSync);
  if (licence !== undefined) await copyFile(licence, path.join(path.dirname(node), 'LICENSE'));
  return execFileSync(given, ['--version'], { encoding: 'utf8' }).trim().replace(/^v/, '');
}

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += (await stat(path.join(entry.parentPath, entry.name))).size;
  }
  return bytes;
}
