import * as pulumi from "@pulumi/pulumi";
import { chooseToken } from "../providers/fly/api/token.ts";
import { asArguments, settingsOf, type MosquittoBrokerArgs } from "./args.ts";
import type { Deployed } from "./deployed.ts";
import { expiryWarnings } from "./expiry.ts";
import { preflight } from "./preflight.ts";
import { queueWarnings } from "./queues.ts";
import { reusedNameWarnings } from "./reusedNames.ts";
import { parseSettings, SettingsError, type Settings } from "./settings.ts";
import type { WrittenSettings } from "./stackSettings.ts";

export interface Checked {
    written: WrittenSettings;
    settings: Settings;
    token: string | undefined;
    /** State left by the last `up`. */
    deployed: Deployed;
    /** Whether the registry has lost the stack's image. */
    imageMissing: boolean;
}

/**
 * Checks a broker's settings and Fly's token, by rules and by requests. Warns about certificates that expire
 * soon, messages that would be dropped, and users who inherit from a removed one.
 *
 * @param broker the component's name
 * @throws pulumi.RunError listing every mistake, before anything is declared
 */
export async function checkSettings(
    broker: string,
    args: MosquittoBrokerArgs | WrittenSettings,
): Promise<Checked> {
    const token = chooseToken(pulumi.runtime.allConfig()["fly:token"]);
    try {
        const written = "raw" in args ? args : await settingsOf(broker, args);
        const { raw, problems, place, ownsStack } = written;
        const settings = parseSettings(raw, place, problems);
        const found = await preflight({ settings, token, owner: { broker, ownsStack } });
        const { deployed, warnings, imageMissing } = found;
        const expiry = expiryWarnings(deployed, settings, new Date());
        const queues = queueWarnings(deployed, settings);
        const names = reusedNameWarnings(deployed.passwords, settings.users);
        for (const line of [...settings.warnings, ...warnings, ...queues, ...names, ...expiry])
            await pulumi.log.warn(ownsStack ? line : `${broker}: ${line}`);
        return { written, settings, token, deployed, imageMissing };
    } catch (error) {
        if (error instanceof SettingsError) {
            throw usersMistake("raw" in args ? error.message : asArguments(error.message));
        }
        throw error;
    }
}

/** An error that Pulumi shows without a stack trace. Its trace is deleted, since the SDK formats it anyway, in 14 s. */
export function usersMistake(message: string): Error {
    const error = new pulumi.RunError(message);
    delete error.stack;
    return error;
}
