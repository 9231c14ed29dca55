#!/usr/bin/env node
// Starts the program with a Node that can run it. Plain JavaScript that an old Node can read as well: on a machine with
// Node 20, a clone brings its own Node as a development dependency.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import * as nodeModule from 'node:module';
import { fileURLToPath } from 'node:url';

/** undici and execa need it; package.json says the same under "engines". */
const NEEDED = [22, 19];

/** Sources have `using` in them, which no earlier one can read; compiled, it is spelt out. */
const NEEDED_FOR_SOURCES = [24, 0];

/** Marks the inner process, which then watches over the outer one. */
const INNER = 'STUDIO_WORKER_INNER';

/** Set by `node --watch` in the process that it starts anew after each change. */
const WATCHED = 'WATCH_REPORT_DEPENDENCIES';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

const needed = existsSync(here('../src/main.ts')) ? NEEDED_FOR_SOURCES : NEEDED;

if (isNewEnough(process.versions.node)) {
  if (process.env[INNER] === '1' || process.env[WATCHED] !== undefined) followParent();
  await start();
} else {
  const ownNode = here(`../node_modules/node/bin/node${process.platform === 'win32' ? '.exe' : ''}`);
  if (existsSync(ownNode)) startWith(ownNode);
  else {
    console.error(`studio-worker needs Node.js ${needed.join('.')} or newer; this is ${process.versions.node}.`);
    process.exitCode = 1;
  }
}

/** In a clone the sources themselves run; the published package has the compiled ones only. */
async function start() {
  // Sources are stripped of their types and compiled once: 40 ms and 20 MB less at every later start. Not in the shared
  // folder for temporary files, where another user could put code; and not while coverage is measured, which it blurs.
  if (existsSync(here('../node_modules')) && process.env.NODE_V8_COVERAGE === undefined) {
    nodeModule.enableCompileCache?.(here('../node_modules/.cache/studio-worker'));
  }
  const entry = existsSync(here('../src/main.ts')) ? '../src/main.ts' : '../dist/main.js';
  const { main } = await import(entry);
  process.exitCode = await main(process.argv.slice(2));
}

function isNewEnough(version) {
  const [major, minor] = version.split('.').map(Number);
  return major > needed[0] || (major === needed[0] && minor >= needed[1]);
}

function startWith(node) {
  const child = spawn(node, [here('./studio-worker.js'), ...process.argv.slice(2)], {
    // The channel carries no messages. When this process is killed it closes, and the inner one notices.
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [INNER]: '1' },
  });
  // A terminal sends Ctrl-C to both processes. Passing it on as well would be a second one, which means "cancel".
  const onTerminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !onTerminal) child.kill(signal);
    });
  }
  child.on('error', (error) => {
    console.error(`studio-worker: cannot start ${node}: ${error.message}`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) process.exitCode = code;
    else {
      process.removeAllListeners(signal);
      process.kill(process.pid, signal);
    }
  });
}

/** A parent that is killed cannot tell, and a worker without it would go on unseen. */
function followParent() {
  delete process.env[INNER];
  // Engine processes would report every module that they load, over the channel that their messages go over.
  delete process.env[WATCHED];
  const leave = () => process.kill(process.pid, 'SIGTERM');
  if (process.channel !== undefined) {
    process.once('disconnect', leave);
    process.channel.unref();
    return;
  }
  // `node --watch-path` opens no channel, but its death makes this process the child of another.
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    leave();
  }, 1_000).unref();
}
