import * as pulumi from "@pulumi/pulumi";
import { chooseToken } from "../providers/fly/token.ts";
import { preflight } from "./preflight.ts";
import { parseSettings, SettingsError, type Settings } from "./settings.ts";

/**
 * The selected stack's settings and Fly's token, checked both by rule and by asking.
 *
 * @throws pulumi.RunError listing every mistake; nothing has been declared by then
 */
export async function readSettings(): Promise<{ settings: Settings; token: string | undefined }> {
    const namespace = `${pulumi.getProject()}:`;
    const raw = Object.fromEntries(
        Object.entries(pulumi.runtime.allConfig())
            .filter(([key]) => key.startsWith(namespace))
            .map(([key, value]) => [key.slice(namespace.length), value]),
    );
    const token = chooseToken(pulumi.runtime.allConfig()["fly:token"]);
    try {
        const settings = parseSettings(raw, pulumi.getStack());
        await preflight(settings, token, pulumi.getStack());
        return { settings, token };
    } catch (error) {
        if (error instanceof SettingsError) throw usersMistake(error.message);
        throw error;
    }
}

/** Shown without a stack trace. It has none, since the SDK formats it even so, and slowly: 14 s. */
function usersMistake(message: string): Error {
    const error = new pulumi.RunError(message);
    delete error.stack;
    return error;
}
