// Whether the Vulkan loader is there. The binary's Vulkan part is a plug-in: without the loader it is left out without a
// word, and a job runs fifty times slower on the CPU. So that is found out before a job starts.
import { readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { execa } from 'execa';
import { Failure } from '../../protocol/failure.ts';
import type { GpuChoice } from '../engine.ts';

export const VULKAN_REMEDY =
  'install the Vulkan loader: `apt install libvulkan1` (Debian, Ubuntu), `dnf install vulkan-loader` (Fedora), ' +
  '`pacman -S vulkan-icd-loader` (Arch); on Windows it comes with the graphics driver';

/** Where loaders lie when the system's cache of libraries cannot be asked. */
const LIBRARY_FOLDERS = ['/usr/lib', '/usr/lib64', '/lib', '/usr/local/lib', '/usr/lib/x86_64-linux-gnu'].concat(
  '/usr/lib/aarch64-linux-gnu',
);

export type VulkanCheck = {
  readonly file: string;
  readonly gpu: GpuChoice;
  readonly platform: NodeJS.Platform;
  readonly env: Readonly<Record<string, string | undefined>>;
};

/** Builds for the CPU alone need no loader, and neither does an operator who wants the CPU. macOS has Metal. */
export async function checkVulkan({ file, gpu, platform, env }: VulkanCheck): Promise<void> {
  if (gpu === 'cpu' || gpu === 'cuda' || platform === 'darwin') return;
  if (!(await isVulkanBuild(file)) || (await hasLoader(platform, env))) return;
  throw new Failure(
    'ENGINE_UNAVAILABLE',
    `\`${file}\` computes with Vulkan, whose loader is missing; ${VULKAN_REMEDY}`,
  );
}

/** Does the folder of the binary (of the real one, if it is a link) hold the plug-in? */
async function isVulkanBuild(file: string): Promise<boolean> {
  const real = await realpath(file).catch(() => file);
  const names = await readdir(dirname(real)).catch(() => []);
  return names.some((name) => /^(lib)?ggml-vulkan\.(so|dll)/.test(name));
}

async function hasLoader(platform: NodeJS.Platform, env: VulkanCheck['env']): Promise<boolean> {
  if (platform === 'win32') return exists(join(env.SystemRoot ?? 'C:\\Windows', 'System32', 'vulkan-1.dll'));
  const own = (env.LD_LIBRARY_PATH ?? '').split(':').filter((folder) => folder !== '');
  for (const folder of own) if (await exists(join(folder, 'libvulkan.so.1'))) return true;
  const cache = await execa('ldconfig', ['-p'], {
    reject: false,
    // It lies outside of an ordinary user's path on Debian.
    env: { PATH: `${env.PATH ?? ''}:/sbin:/usr/sbin` },
    timeout: 5_000,
  });
  if (cache.exitCode === 0) return cache.stdout.includes('libvulkan.so.1');
  for (const folder of LIBRARY_FOLDERS) if (await exists(join(folder, 'libvulkan.so.1'))) return true;
  return false;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
