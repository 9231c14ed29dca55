// Tells those who follow the worker's events how it stands with its studio, whenever that or the pause has changed.
import type { EventHub } from '../activity/types.ts';
import type { SessionStatus } from '../session/session-status.ts';
import type { PauseSwitch } from './pause-switch.ts';

export function publishSession(
  status: Pick<SessionStatus, 'session' | 'registration' | 'changes'>,
  pauseSwitch: PauseSwitch,
  events: Pick<EventHub, 'publish'>,
): void {
  const publish = (): void =>
    events.publish('session', {
      ...status.session,
      paused: pauseSwitch.paused,
      registered: status.registration.state === 'approved',
    });
  status.changes.addEventListener('change', publish);
  pauseSwitch.changes.addEventListener('change', publish);
}
