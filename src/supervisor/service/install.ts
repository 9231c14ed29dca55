// Installs and removes the service. The file is written whole or not at all; a service manager that refuses is told to the
// reader, together with the commands to give by hand, since the file is then in its place.
import { mkdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { codeOf, replaceFile } from '../config/write-file.ts';
import { runProgram } from '../run-program.ts';
import { type CommandLine, commandText, type ServicePlan } from './plan.ts';
import type { SystemdFacts } from './systemd-unit.ts';

export type Installed = {
  /** What the file was before: the very same, another one, or nothing. */
  readonly file: 'unchanged' | 'replaced' | 'created';
  /** Undefined when the service manager did all that was asked. */
  readonly refusal: Refusal | undefined;
};

export type Refusal = { readonly command: string; readonly problem: string; readonly byHand: readonly string[] };

/** `systemctl disable --now` waits until the worker has stopped, and running jobs may take their grace. */
const REMOVE_MS_MARGIN = 60_000;
const INSTALL_MS_MAX = 60_000;

export async function installService(plan: ServicePlan, facts: SystemdFacts, now: boolean): Promise<Installed> {
  const wanted = plan.contents(facts);
  const before = await readFile(plan.file).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return undefined;
    throw unwritable(plan.file, cause);
  });
  const same = before?.equals(wanted) === true;
  if (!same) await writeWhole(plan.file, wanted);
  return {
    file: same ? 'unchanged' : before === undefined ? 'created' : 'replaced',
    refusal: await giveAll(now ? plan.enableNow : plan.enable, INSTALL_MS_MAX),
  };
}

export type Removed = { readonly existed: boolean; readonly refusal: Refusal | undefined };

export async function removeService(plan: ServicePlan, stopMs: number): Promise<Removed> {
  const existed = await readFile(plan.file).then(
    () => true,
    (cause: unknown) => {
      if (codeOf(cause) === 'ENOENT') return false;
      throw unwritable(plan.file, cause);
    },
  );
  // Without the file there is nothing that the service manager could be asked to forget.
  if (!existed) return { existed, refusal: undefined };
  await giveAll(plan.stop, stopMs + REMOVE_MS_MARGIN);
  const refusal = await giveAll(plan.disable, stopMs + REMOVE_MS_MARGIN);
  await rm(plan.file, { force: true }).catch((cause: unknown) => {
    throw unwritable(plan.file, cause);
  });
  return { existed, refusal: refusal ?? (await giveAll(plan.afterRemoval, INSTALL_MS_MAX)) };
}

async function giveAll(commands: readonly CommandLine[], timeoutMs: number): Promise<Refusal | undefined> {
  for (const [index, words] of commands.entries()) {
    const answer = await runProgram(words, { timeoutMs });
    if (answer.ok) continue;
    return { command: commandText(words), problem: answer.problem, byHand: commands.slice(index).map(commandText) };
  }
  return undefined;
}

/** In a temporary file beside it first, so that a full disk leaves the old file, or none. Service files hold no secret. */
async function writeWhole(file: string, contents: Buffer): Promise<void> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await replaceFile(file, contents, 0o644);
  } catch (cause) {
    throw unwritable(file, cause);
  }
}

function unwritable(file: string, cause: unknown): Error {
  return new Error(
    `the service file ${file} cannot be read or written (${codeOf(cause)}): look at the rights and the free space of its folder`,
    { cause },
  );
}
