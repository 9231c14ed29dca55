// The RAM of this process and of all that it has started, directly or not: what an unload has to give back.
import { readdir, readFile } from 'node:fs/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** For the `skip` of a test: false where the system tells of its processes in files. */
export const NO_TREE_RSS: string | false = process.platform === 'linux' ? false : 'only Linux has /proc';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

type Seen = { pid: number; parent: number; rssBytes: number };

/** In bytes. What this process holds for nobody is collected first. */
export async function treeRssBytes(root: number = process.pid): Promise<number> {
  collect();
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const seen = (await Promise.all(pids.map(look))).filter((one) => one !== undefined);
  let sum = 0;
  const walk = (pid: number): void => {
    sum += seen.find((one) => one.pid === pid)?.rssBytes ?? 0;
    for (const child of seen) if (child.parent === pid) walk(child.pid);
  };
  walk(root);
  return sum;
}

/** Undefined: it has ended meanwhile. */
async function look(pid: string): Promise<Seen | undefined> {
  try {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return { pid: Number(pid), parent: field('PPid'), rssBytes: field('VmRSS') * 1024 };
  } catch {
    return undefined;
  }
}
