import { homedir } from 'node:os';
import { createContext, type CommonFlags, type Context, type Terminal } from '../context.ts';
import { createDoctorView } from '../doctor/create.ts';
import { doctorReport } from '../doctor/list.ts';
import { commandsFor } from '../orchestrator/report/commands.ts';
import { reportText } from '../orchestrator/report/text.ts';
import { isStackError, type StackError } from '../shared/errors.ts';

/** Without valid settings there is no context; what is wrong with them is the first finding. */
const contextOf = async (
  terminal: Terminal,
  flags: CommonFlags,
): Promise<Context | { readonly broken: StackError }> => {
  try {
    return await createContext(terminal, flags);
  } catch (error) {
    if (
      isStackError(error) &&
      ['SETTINGS_INVALID', 'SETTINGS_MISSING', 'SETTINGS_PLACEHOLDER'].includes(error.code)
    )
      return { broken: error };
    throw error;
  }
};

/** `doctor`: looks at everything and changes nothing. 0 where nothing is wrong with what could be looked at, else 2. */
export const doctor = async (terminal: Terminal, flags: CommonFlags): Promise<number> => {
  const given = await contextOf(terminal, flags);
  const { view, close } = createDoctorView(given, { env: terminal.env, home: homedir() }, terminal.signal);
  const print =
    'broken' in given
      ? (text: string) => {
          terminal.stdout.write(`${commandsFor(text, flags.host)}\n`);
        }
      : given.print;
  try {
    if (!('broken' in given)) given.tell(given.hostLine);
    const report = await doctorReport(view, terminal.signal);
    if (flags.json === true) print(JSON.stringify(report, undefined, 2));
    else {
      // The name is what other pages refer to.
      const named = report.checks.map((check) => ({ ...check, title: `${check.id}: ${check.title}` }));
      print(reportText({ ...report, checks: named }, terminal.style));
    }
    return report.checks.some((check) => check.status === 'failed') ? 2 : 0;
  } finally {
    close();
    if (!('broken' in given)) given.close();
  }
};
