// Installations and bundles for tests of updates. The launcher, the launch script and everything of the updater in them
// are the real, compiled ones; what the program itself does is chosen: the real one, or a few lines that play one which
// is healthy, broken or stuck. Packages come from the repository, and Node is the one that runs the test.
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { create } from 'tar';
import { bundleName, type Layout, layoutOf } from '../../../src/supervisor/update/layout.ts';
import { tempDir } from '../temp-dir.ts';

const run = promisify(execFile);
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

let compiling: Promise<unknown> | undefined;

/** What is compiled is what would be released. Quick when nothing has changed. */
export function compiled(): Promise<unknown> {
  compiling ??= run(process.execPath, [path.join(ROOT, 'node_modules/typescript/bin/tsc'), '-b', 'src'], { cwd: ROOT });
  return compiling;
}

/** Says its version and its arguments; on trial it says that it is well. */
export const HEALTHY = `
import { readFileSync, writeFileSync } from 'node:fs';
const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url)));
export async function main(argv) {
  if (process.env.STUDIO_WORKER_TRIAL) {
    writeFileSync(process.env.STUDIO_WORKER_TRIAL, JSON.stringify({ version, healthy: true }));
    return 0;
  }
  console.log(version, process.pid, ...argv);
  return 0;
}
`;

/** Passes its trial, but not the start in earnest. */
export const CRASHES_LATER = HEALTHY.replace(
  'console.log',
  "process.exitCode = 9; throw new Error('broken'); console.log",
);

export type Bundle = {
  readonly version: string;
  /** The text of dist/main.js. Absent: the real program. */
  readonly main?: string;
  /** The text of runtime/node. */
  readonly node?: string;
  readonly manifest?: object;
};

async function everything(): Promise<string[]> {
  const names = await readdir(path.join(ROOT, 'dist'), { recursive: true });
  return names.filter((name) => /\.(js|mjs|json|sql)$/.test(name)).map((name) => path.join('dist', name));
}

let updater: Promise<string[]> | undefined;

/** The updater's programs, and what they import. */
function theUpdater(): Promise<string[]> {
  updater ??= (async () => {
    const programs = ['launcher-main.js', 'adopt-main.js'].map((name) => `dist/supervisor/update/${name}`);
    const found = new Set(programs);
    for (const file of found) {
      for (const [, target = ''] of (await readFile(path.join(ROOT, file), 'utf8')).matchAll(
        /['"](\.[^'"]*\.js)['"]/g,
      )) {
        found.add(path.join(path.dirname(file), target));
      }
    }
    return [...found];
  })();
  return updater;
}

/** The folder of a bundle, ready to be packed or to lie under versions/. */
export async function writeBundle(folder: string, { version, main, node, manifest }: Bundle): Promise<void> {
  await compiled();
  await mkdir(path.join(folder, 'runtime'), { recursive: true });
  await cp(path.join(ROOT, 'bin'), path.join(folder, 'bin'), { recursive: true });
  // A version that is only played needs nothing but the updater, which keeps hundreds of files from being written.
  for (const file of main === undefined ? await everything() : await theUpdater()) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await copyFile(path.join(ROOT, file), path.join(folder, file));
  }
  if (main !== undefined) await writeFile(path.join(folder, 'dist/main.js'), main);
  const packageJson = JSON.parse(await readFile(path.join(ROOT, 'package.json'), 'utf8'));
  await writeFile(path.join(folder, 'package.json'), JSON.stringify({ ...packageJson, version }));
  const shim = node ?? `#!/bin/sh\nexec '${process.execPath}' "$@"\n`;
  await writeFile(path.join(folder, 'runtime/node'), shim, { mode: 0o755 });
  const { platform, arch } = process;
  await writeFile(
    path.join(folder, 'bundle.json'),
    JSON.stringify({ version, platform, arch, variant: 'plain', ...manifest }),
  );
}

/** The file of a release. `folder` is where it is made. */
export async function packBundle(folder: string, bundle: Bundle): Promise<string> {
  const { platform, arch } = process;
  const inside = path.join(folder, bundle.version, 'studio-worker');
  await writeBundle(inside, bundle);
  const file = path.join(folder, bundleName(bundle.version, { platform, arch, variant: 'plain' }));
  await create({ file, cwd: path.dirname(inside), gzip: { level: 1 }, portable: true }, ['studio-worker']);
  await rm(path.dirname(inside), { recursive: true });
  return file;
}

export type Installation = AsyncDisposable & {
  readonly layout: Layout;
  /** For bundles, configurations and whatever else a test needs. */
  readonly scratch: string;
  /** The installed command, to its end. */
  command(
    args: readonly string[],
    env?: Record<string, string>,
  ): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Names under the installation that are not part of a tidy one. */
  leftovers(): Promise<string[]>;
};

/** An installation as the installer leaves it, with one version. */
export async function install(bundle: Bundle): Promise<Installation> {
  const dir = await tempDir();
  const layout = layoutOf(dir.file('root'));
  const folder = path.join(layout.versions, bundle.version);
  await writeBundle(folder, bundle);
  await symlink(path.join(ROOT, 'node_modules'), path.join(layout.root, 'node_modules'));
  await run(path.join(folder, 'runtime/node'), [path.join(folder, 'dist/supervisor/update/adopt-main.js')]);
  await mkdir(dir.file('scratch'));
  return {
    layout,
    scratch: dir.file('scratch'),
    command(args, env = {}) {
      return new Promise((resolve) => {
        execFile(layout.command, [...args], { env: { ...process.env, ...env } }, (error, stdout, stderr) => {
          resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
        });
      });
    },
    async leftovers() {
      const tidy = new Set([
        'bin',
        'current',
        'node_modules',
        'previous',
        'probation',
        'update.json',
        'update.lock',
        'versions',
      ]);
      const found = (await readdir(layout.root)).filter((name) => !tidy.has(name) && name !== 'downloads');
      const deeper = await Promise.all(
        [layout.downloads, path.dirname(layout.command), layout.versions].map((each) => readdir(each).catch(() => [])),
      );
      found.push(...deeper.flat().filter((name) => name !== 'studio-worker' && !/^\d+\.\d+\.\d+$/.test(name)));
      return found;
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}
