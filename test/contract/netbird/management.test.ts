import { afterAll, beforeAll, expect, test } from 'vitest';
import { credentialWays } from './credential-ways.ts';
import { peopleWays } from './people-ways.ts';
import { recordedWays } from './recorded-ways.ts';
import { refusalWays } from './refusal-ways.ts';
import { openSession, type Session } from './session.ts';
import { leftOut } from './uncovered.ts';

/*
 * One walk on one management server, the stand-in or a real one (how: target.ts). Each part begins with what the one
 * before left behind, so they stand in one file.
 */
let opened: Session;
const session = (): Session => opened;

beforeAll(async () => {
  opened = await openSession();
  process.stdout.write(`NetBird management under test: the ${opened.target.kind} at ${opened.target.url}\n`);
});

afterAll(async () => {
  await opened.target.close();
});

recordedWays(session);
refusalWays(session);
credentialWays(session);
peopleWays(session);

test('what the stand-ins leave out is printed', () => {
  for (const what of leftOut) process.stdout.write(`left out of the NetBird stand-ins: ${what}\n`);

  expect(leftOut.length).toBeGreaterThan(0);
});
