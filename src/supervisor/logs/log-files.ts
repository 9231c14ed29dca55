// The files of a rolling log on disk, `worker.<number>.log`, the highest number being the current one: how old that one
// is, which is to be the next, and which are too many. pino-roll rolls by size; what it leaves undone is here. (Its own
// rolling by time begins again at number 1 after a restart on another day, and then deletes the newest file first.)
import { open, readdir, rm, stat } from 'node:fs/promises';
import path from 'node:path';

const NAME = /^worker\.(\d{1,15})\.log$/;

/** In the order in which they were written. Empty when there is no such folder. */
export async function logNumbers(dir: string): Promise<number[]> {
  const names = await readdir(dir).catch(() => []);
  const numbers = names.flatMap((name) => {
    const [, digits] = NAME.exec(name) ?? [];
    return digits === undefined ? [] : [Number(digits)];
  });
  return numbers.sort((left, right) => left - right);
}

/** When the current file began, in ms since the epoch; undefined when there is none with a line in it. */
export async function beginningOf(dir: string): Promise<number | undefined> {
  const number = (await logNumbers(dir)).at(-1);
  if (number === undefined) return undefined;
  const file = fileOf(dir, number);
  try {
    await using handle = await open(file, 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(256), 0, 256, 0);
    if (bytesRead === 0) return undefined;
    // Every line has its time near the front. Not the file's own times: copying and restoring change those.
    const [, text = ''] = /"time":"([^"]{10,40})"/.exec(buffer.toString('latin1', 0, bytesRead)) ?? [];
    const time = Date.parse(text);
    return Number.isNaN(time) ? (await stat(file)).mtimeMs : time;
  } catch {
    return undefined;
  }
}

/** Makes the file with the next number, empty, so that whoever opens the log goes on there. */
export async function beginNextFile(dir: string): Promise<void> {
  let number = ((await logNumbers(dir)).at(-1) ?? 0) + 1;
  while (true) {
    try {
      await using _file = await open(fileOf(dir, number), 'wx', 0o600);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      number += 1;
    }
  }
}

/** Leaves the newest `keep`, whichever run wrote the others. */
export async function removeOldFiles(dir: string, keep: number): Promise<void> {
  const numbers = await logNumbers(dir);
  await Promise.all(
    numbers.slice(0, Math.max(0, numbers.length - keep)).map((number) => rm(fileOf(dir, number), { force: true })),
  );
}

function fileOf(dir: string, number: number): string {
  return path.join(dir, `worker.${number}.log`);
}
