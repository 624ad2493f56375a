/** Coordinates the brokers of one program: unique names and apps, and one check of all settings. */
import * as pulumi from "@pulumi/pulumi";
import { usersMistake, type Checked } from "../config/index.ts";

interface OfStack {
    readonly names: Set<string>;
    readonly checks: Promise<Checked>[];
}

/** Keyed by the stack's resource, since one process may run several programs (Pulumi's Automation API). */
const stacks = new WeakMap<pulumi.Resource, OfStack>();

/**
 * Waits until the settings of all brokers are checked, so that a mistake in one changes nothing in the others.
 *
 * @throws pulumi.RunError for a name that another broker has, since their resources would collide
 */
export async function checkedWithOthers(name: string, check: Promise<Checked>): Promise<Checked> {
    const stack = pulumi.runtime.getStackResource()!;
    const { names, checks } = stacks.get(stack) ?? { names: new Set(), checks: [] };
    stacks.set(stack, { names, checks });
    const wrong = nameProblem(name, names);
    names.add(name);
    checks.push(wrong === undefined ? check : Promise.reject(usersMistake(wrong)));
    const checked = await checks.at(-1)!;
    const all = await Promise.all(checks);
    const apps = all.filter(({ settings: { appName } }) => appName === checked.settings.appName);
    if (checked.settings.appName !== undefined && apps.length > 1) {
        throw usersMistake(
            `Two brokers have the appName "${checked.settings.appName}"; nothing was changed. ` +
                "Each needs its own app: set another name, or leave it out to have one generated.",
        );
    }
    return checked;
}

function nameProblem(name: string, names: ReadonlySet<string>): string | undefined {
    if (name.includes(":"))
        return `MosquittoBroker "${name}": a broker's name must not contain a colon.`;
    return names.has(name)
        ? `MosquittoBroker "${name}": is declared twice; each broker in a program needs its own name.`
        : undefined;
}
