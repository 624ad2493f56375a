/** Control and format characters, but tab and line feed: what a terminal or a page acts on, and nobody sees. */
const INVISIBLE = /(?![\t\n])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Shows text that others wrote: each invisible character becomes its escape, such as `\\u001b`, so that it
 * can neither steer a terminal nor turn the direction of what is read.
 */
export function visible(text: string): string {
    return text.replaceAll(INVISIBLE, (character) => {
        const code = character.codePointAt(0)!.toString(16);
        return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
    });
}

/** The same in one line. */
export function visibleLine(text: string): string {
    return visible(text.replace(/\s+/g, " ").trim());
}
