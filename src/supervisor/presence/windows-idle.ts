// Asks Windows for the time of the last input. Node cannot call its libraries, so one PowerShell does, which lives as long
// as it is asked: starting one takes half a second of a core.
import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { IdleProbe } from './idle-probe.ts';

/** The first answer waits for the compiler behind Add-Type. */
const ANSWER_MS_MAX = 20_000;

/** Ticks wrap after 49 days, which the unsigned difference gets right. A line is a question; no more lines end it. */
const SCRIPT = `
Add-Type @'
using System;
using System.Runtime.InteropServices;
public static class LastInput {
  [StructLayout(LayoutKind.Sequential)] struct Info { public uint Size; public uint Time; }
  [DllImport("user32.dll")] static extern bool GetLastInputInfo(ref Info info);
  public static string IdleMs() {
    Info info = new Info();
    info.Size = (uint)Marshal.SizeOf(typeof(Info));
    if (!GetLastInputInfo(ref info)) return "no session of a person";
    return unchecked((uint)Environment.TickCount - info.Time).ToString();
  }
}
'@
while ($null -ne [Console]::In.ReadLine()) { [Console]::Out.WriteLine([LastInput]::IdleMs()) }
`;

export function openWindowsIdle(): IdleProbe {
  let child: ChildProcess | undefined;

  const start = (): ChildProcess => {
    const encoded = Buffer.from(SCRIPT, 'utf16le').toString('base64');
    const started = spawn('powershell', ['-NoProfile', '-NonInteractive', '-EncodedCommand', encoded], {
      stdio: ['pipe', 'pipe', 'ignore'],
      windowsHide: true,
    });
    const gone = (): void => {
      if (child === started) child = undefined;
    };
    started.on('error', gone);
    started.on('exit', gone);
    started.stdin.on('error', gone);
    return started;
  };

  return {
    async idleMs() {
      child ??= start();
      const asked = child;
      const answer = Promise.withResolvers<string>();
      const { stdin, stdout } = asked;
      if (stdin === null || stdout === null) throw new Error('PowerShell cannot be asked');
      const lines = createInterface({ input: stdout });
      const fail = (): void => answer.reject(new Error('PowerShell ended without an answer'));
      const timer = setTimeout(() => {
        answer.reject(new Error(`PowerShell did not answer within ${ANSWER_MS_MAX} ms`));
        asked.kill();
      }, ANSWER_MS_MAX);
      asked.once('error', fail);
      asked.once('exit', fail);
      lines.once('line', answer.resolve);
      try {
        stdin.write('\n');
        return lastInputMs(await answer.promise);
      } finally {
        clearTimeout(timer);
        lines.close();
        asked.off('error', fail);
        asked.off('exit', fail);
      }
    },
    async [Symbol.asyncDispose]() {
      child?.kill();
    },
  };
}

export function lastInputMs(line: string): number {
  if (!/^\d{1,10}$/.test(line.trim())) throw new Error(`Windows does not tell: ${line.trim().slice(0, 80)}`);
  return Number(line);
}
