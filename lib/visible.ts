/**
 * Control and format characters except tab and line feed: invisible, but terminals and pages act on
 * them.
 */
const INVISIBLE = /(?![\t\n])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Replaces each invisible character with its escape, such as `\\u001b`, so that text written by others
 * can neither steer a terminal nor change the reading direction.
 */
export function visible(text: string): string {
    return text.replaceAll(INVISIBLE, (character) => {
        const code = character.codePointAt(0)!.toString(16);
        return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
    });
}

/** Does the same, in one line. */
export function visibleLine(text: string): string {
    return visible(text.replace(/\s+/g, " ").trim());
}
