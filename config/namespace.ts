/** Finds the settings among the keys of a stack's config, also where the project has been renamed. */

export const NAMESPACE = "appkata-mqtt";

/** A key that every stack has; it reveals settings under a former project name. */
const ALWAYS = "users";

export interface Found {
    /** Setting's name → value. */
    raw: Record<string, string>;
    problems: string[];
}

/**
 * Reads settings under `appkata-mqtt:` and under the project's name, which `pulumi config set` uses by
 * default.
 *
 * @param config the stack's whole config, by NAMESPACE:KEY
 */
export function settingsIn(
    config: Readonly<Record<string, string>>,
    { project, stack }: { project: string; stack: string },
): Found {
    const raw: Record<string, string> = {};
    const problems: string[] = [];
    for (const namespace of new Set([NAMESPACE, project])) {
        for (const [key, value] of Object.entries(keysIn(config, namespace))) {
            if (raw[key] !== undefined && raw[key] !== value) {
                problems.push(
                    `${key}: is set twice, as ${NAMESPACE}:${key} and as ${project}:${key}; ` +
                        `remove one: \`pulumi config rm --stack ${stack} ${project}:${key}\``,
                );
            }
            raw[key] ??= value;
        }
    }
    const others = new Set(Object.keys(config).map((key) => key.split(":")[0]!));
    for (const other of others) {
        const ignored = Object.keys(keysIn(config, other));
        if (other === NAMESPACE || other === project || !ignored.includes(ALWAYS)) continue;
        problems.push(
            `${ignored.map((key) => `${other}:${key}`).join(", ")}: not read, since the project is ` +
                `"${project}"; settings must be ${NAMESPACE}:KEY: ` +
                `\`sed -i 's/^\\( *\\)${other}:/\\1${NAMESPACE}:/' Pulumi.${stack}.yaml\``,
        );
    }
    return { raw, problems };
}

/** Reads the keys of one namespace, without its prefix. */
export function keysIn(
    config: Readonly<Record<string, string>>,
    namespace: string,
): Record<string, string> {
    return Object.fromEntries(
        Object.entries(config)
            .filter(([key]) => key.startsWith(`${namespace}:`))
            .map(([key, value]) => [key.slice(namespace.length + 1), value]),
    );
}
