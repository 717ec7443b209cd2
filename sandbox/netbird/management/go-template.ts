import { StartError } from '../start-error.ts';

/**
 * Text with every `{{ .NAME }}` replaced by that variable, raw, as Go's text/template does with the environment as
 * its data: an unset variable becomes `<no value>`. Only this one form of action is understood.
 * @throws {StartError} an action that is not closed or not of that form.
 */
export function renderGoTemplate(
  text: string,
  variables: Readonly<Record<string, string | undefined>>,
): string {
  const [first = '', ...parts] = text.split('{{');
  const rendered = parts.map((part) => {
    const end = part.indexOf('}}');
    if (end === -1) throw new StartError('error parsing template: unclosed action');
    const action = part.slice(0, end).replace(/^- /, '').replace(/ -$/, '').trim();
    const name = /^\.([A-Za-z_]\w*)$/.exec(action)?.[1];
    if (name === undefined) {
      throw new StartError(`error parsing template: {{ ${action} }} is not of the form {{ .NAME }}`);
    }
    return (variables[name] ?? '<no value>') + part.slice(end + 2);
  });
  return [first, ...rendered].join('');
}
