// Renders the property list of a LaunchAgent for macOS. Pure.
import { refuseControlCharacters, SERVICE_NAMES, type ServiceFacts, stopSecs } from './facts.ts';
import { xmlText } from './xml-text.ts';

/**
 * launchd knows no exit code that forbids a restart. `SuccessfulExit: false` at least leaves a worker alone that stopped
 * by itself with success, and the throttle keeps one that the studio refuses from asking more than once a minute.
 */
export function launchdPlist(facts: ServiceFacts): string {
  refuseControlCharacters(facts);
  const words = [...facts.command, 'run', '--config', facts.configPath];
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${SERVICE_NAMES.launchd}</string>
  <key>ProgramArguments</key>
  <array>
${words.map((word) => `    <string>${xmlText(word)}</string>`).join('\n')}
  </array>
  <key>EnvironmentVariables</key>
  <dict>
    <key>PATH</key>
    <string>${xmlText(facts.searchPath)}</string>
  </dict>
  <key>RunAtLoad</key>
  <true/>
  <key>KeepAlive</key>
  <dict>
    <key>SuccessfulExit</key>
    <false/>
  </dict>
  <key>ThrottleInterval</key>
  <integer>60</integer>
  <key>ExitTimeOut</key>
  <integer>${stopSecs(facts)}</integer>
  <key>Umask</key>
  <integer>63</integer>
</dict>
</plist>
`;
}
