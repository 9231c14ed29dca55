// The sessions there are now, by socket and by worker.
import type { Session } from './session.ts';

export class Roster {
  readonly #bySocket = new Map<WebSocket, Session>();

  get size(): number {
    return this.#bySocket.size;
  }

  add(session: Session): void {
    this.#bySocket.set(session.socket, session);
  }

  remove(session: Session): void {
    this.#bySocket.delete(session.socket);
  }

  of(socket: WebSocket): Session | undefined {
    return this.#bySocket.get(socket);
  }

  all(): Session[] {
    return [...this.#bySocket.values()];
  }

  /** Every session of the worker, whatever its phase: an old one and its successor may overlap for a moment. */
  ofWorker(workerId: string): Session[] {
    return this.all().filter((session) => session.workerId === workerId);
  }

  ready(): Session[] {
    return this.all().filter((session) => session.phase === 'ready');
  }

  readyOf(workerId: string): Session | undefined {
    return this.ready().find((session) => session.workerId === workerId);
  }
}
