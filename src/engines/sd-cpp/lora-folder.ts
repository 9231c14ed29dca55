// The private folder that a model's LoRA files are seen through. Both binaries scan a folder for them, by default the
// current one; this one holds links under names of our own, so that nothing else can be meant.
import { copyFile, link, mkdir, symlink } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { LocalModelFile } from '../engine.ts';

export type LoraFolder = {
  readonly dir: string;
  /** File names without their ending, as a tag names them. */
  readonly names: readonly string[];
  /** File names as sd-server lists them. */
  readonly files: readonly string[];
};

export async function openLoraFolder(dir: string, loras: readonly LocalModelFile[]): Promise<LoraFolder> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const names = loras.map((_, index) => `lora${index + 1}`);
  const files = loras.map(({ filename }, index) => `${names[index]}${listedExt(filename)}`);
  for (const [index, file] of files.entries()) await place(loras[index]?.path ?? '', join(dir, file));
  return { dir, names, files };
}

/** sd-server lists files by their ending, and tells what is in them by their content. */
function listedExt(filename: string): string {
  const ext = extname(filename).toLowerCase();
  return ['.gguf', '.pt', '.pth', '.safetensors'].includes(ext) ? ext : '.safetensors';
}

/** Windows gives symbolic links to few users, and hard links do not cross disks. */
async function place(from: string, to: string): Promise<void> {
  await symlink(from, to).catch(() => link(from, to).catch(() => copyFile(from, to)));
}
