import { describe, expect, test } from 'vitest';
import { commandsFor } from '../../../src/orchestrator/report/commands.ts';

describe('commands of ours in what is said to a person', () => {
  test.each([
    ['npm run up starts it', 'npm run -s up -- --host attic starts it'],
    ['run npm run up again; it repairs', 'run npm run -s up -- --host attic again; it repairs'],
    ['npm run verify-tls, then', 'npm run -s verify-tls -- --host attic, then'],
    [
      'npm run -s logs -- --service nginx shows why',
      'npm run -s logs -- --host attic --service nginx shows why',
    ],
    ['npm run logs -- --service nginx', 'npm run -s logs -- --host attic --service nginx'],
    ['npm run -s secrets -- list', 'npm run -s secrets -- list --host attic'],
    ['npm run -s secrets -- ca --pem > file', 'npm run -s secrets -- ca --host attic --pem > file'],
    ['npm run -s adopt -- pocketid --dump x', 'npm run -s adopt -- --host attic pocketid --dump x'],
    ['{"fix":"npm run up"}', '{"fix":"npm run -s up -- --host attic"}'],
    [
      'npm run plan lists all, npm run up takes them',
      'npm run -s plan -- --host attic lists all, npm run -s up -- --host attic takes them',
    ],
  ])('name the host that --host named: %s', (text, said) => {
    expect(commandsFor(text, 'attic')).toBe(said);
    // Said twice, it is said once.
    expect(commandsFor(said, 'attic')).toBe(said);
  });

  test.each([
    'npm run -s init -- --host myserver',
    'npm run init -- --host <name>',
    'npm run -s init -- --help says what each is',
    'run npm run build, then run it again',
    'npm test',
    'sudo systemctl status docker',
  ])('stay as they are where they name a host, or take none: %s', (text) => {
    expect(commandsFor(text, 'attic')).toBe(text);
  });

  test('stay as they are where nothing was said of a host, or what no shell takes as one word', () => {
    expect(commandsFor('npm run up', undefined)).toBe('npm run up');
    expect(commandsFor('npm run up', 'my server; reboot')).toBe('npm run up');
  });
});
