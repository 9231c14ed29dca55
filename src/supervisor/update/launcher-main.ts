// The launcher as a program: `node launcher-main.js try <version> -- <arguments of studio-worker>`, or `start -- …`.
// It ends by becoming the version that is to run.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { installKind } from './install-kind.ts';
import { type LauncherOptions, launchOnProbation, launchTrial, startOf } from './launcher.ts';
import { type Relaunch, relaunch, relaunchEnv, relaunchWay } from './relaunch.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const install = installKind();
  if (install.kind !== 'managed') return fail(`this launcher is not part of an installation (${install.how})`);
  const separator = argv.indexOf('--');
  const [verb, version] = argv.slice(0, separator === -1 ? undefined : separator);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  const options: LauncherOptions = {
    layout: install.layout,
    own: path.basename(install.folder),
    args: separator === -1 ? [] : argv.slice(separator + 1),
    interrupted: stop.signal,
    say: (text) => void process.stderr.write(`studio-worker: ${text}\n`),
  };
  let target: Relaunch | undefined;
  if (verb === 'start') target = await launchOnProbation(options);
  else if (verb === 'try' && version !== undefined) target = await launchTrial(version, options);
  else return fail('usage: launcher-main.js start|try <version> -- <arguments>');
  for (const signal of STOP_SIGNALS) process.off(signal, onSignal);
  // Stopped while a version was on trial: nothing was changed, and the next start is one of the old version.
  if (target === undefined || stop.signal.aborted) return 0;
  if (relaunchWay(process.platform) === 'spawn-and-exit') return mirror(target);
  await relaunch(target).catch((error: Error) => {
    options.say(`${target.file} cannot be started (${error.message}), ${options.own} goes on`);
    return relaunch(startOf(options.layout, options.own, options.args));
  });
  return 0;
}

/** Where a process cannot become another one, it waits for it and ends as it does. */
function mirror({ file, args }: Relaunch): Promise<number> {
  const child = spawn(file, [...args], { stdio: 'inherit', env: relaunchEnv(process.env) });
  for (const signal of STOP_SIGNALS) process.on(signal, () => child.kill(signal));
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(fail(`cannot start ${file}: ${error.message}`)));
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

function fail(message: string): number {
  process.stderr.write(`studio-worker: ${message}\n`);
  return 1;
}
