// Asks macOS: the registry of its input devices knows the time since the last input, in ns.
import { runProgram } from '../run-program.ts';
import type { IdleProbe } from './idle-probe.ts';

const ASK_MS = 3_000;

export function openMacIdle(): IdleProbe {
  return {
    async idleMs() {
      const answer = await runProgram(['/usr/sbin/ioreg', '-c', 'IOHIDSystem', '-d', '4', '-r'], { timeoutMs: ASK_MS });
      if (!answer.ok) throw new Error(`ioreg cannot be asked: ${answer.problem}`);
      const idleMs = hidIdleMs(answer.stdout);
      if (idleMs === undefined) throw new Error('ioreg knows no HIDIdleTime');
      return idleMs;
    },
    async [Symbol.asyncDispose]() {},
  };
}

export function hidIdleMs(text: string): number | undefined {
  const [, digits] = /"HIDIdleTime"\s*=\s*(\d{1,20})\b/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(BigInt(digits) / 1_000_000n);
}
