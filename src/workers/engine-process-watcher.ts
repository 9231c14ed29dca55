// Kills its own process when the supervisor is gone. A process whose main thread is stuck in native code or in an
// endless loop never learns that its channel has closed; this thread reads a pipe that only the supervisor holds, whose
// end the kernel announces however the supervisor died.
import { Socket } from 'node:net';

/** The extra pipe that engine-process.ts hands down. */
const LIFELINE_FD = 4;

new Socket({ fd: LIFELINE_FD, readable: true, writable: false }).on('error', leave).on('close', leave).resume();

function leave(): void {
  process.kill(process.pid, 'SIGKILL');
}
