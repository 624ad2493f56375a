/** Creates an app, imports one, or adopts that of an earlier run. */
import type { AppInputs } from "./inputs.ts";
import { adoptApp, refuseOtherOrganization } from "./adopt.ts";
import type { FlyClient } from "../api/client.ts";
import { FlyError, isAmbiguous } from "../api/errors.ts";
import { IMPORTED_BEFORE } from "../ownership.ts";
import type { WireApp } from "../api/types.ts";
import { deadlineIn, poll } from "../api/wait.ts";

/** Time for a deleted app to free its name. */
const NAME_FREE_WITHIN_S = 10;

/** Creates the app, or adopts an earlier run's. Posts first: usually the name is free, which takes one request. */
export async function ensureApp(client: FlyClient, inputs: AppInputs): Promise<WireApp> {
    if (inputs.importId !== undefined) {
        return await importApp(client, inputs);
    }
    let askedFor = false;
    let refusal: unknown;
    const app = await poll(deadlineIn(NAME_FREE_WITHIN_S), async () => {
        try {
            const created = await client.post<WireApp>(["apps"], {
                body: { name: inputs.name, org_slug: inputs.organization },
            });
            client.appMade(inputs.name);
            return created;
        } catch (error) {
            if (!isNameTaken(error) && !isAmbiguous(error)) {
                throw error;
            }
            refusal = error;
            askedFor ||= isAmbiguous(error);
            const found = await getApp(client, inputs.name, error);
            if (!found) {
                return undefined;
            }
            // It may be new: created a moment ago by a run that was killed.
            client.appCreated(inputs.name);
            return await adoptApp(client, inputs, found, askedFor);
        }
    });
    if (!app) {
        throw isNameTaken(refusal) ? nameTaken(inputs.name) : refusal;
    }
    return app;
}

async function importApp(client: FlyClient, inputs: AppInputs): Promise<WireApp> {
    const found = await getApp(client, inputs.name, new Error("to be imported"));
    if (!found) {
        throw new Error(
            `Cannot import app "${inputs.name}": it does not exist.\n` + IMPORTED_BEFORE,
        );
    }
    refuseOtherOrganization(inputs, found);
    return found;
}

function isNameTaken(error: unknown): boolean {
    return (
        error instanceof FlyError &&
        (error.flyStatus === "name_taken" ||
            /already been taken|uniqueness constraint/i.test(error.text))
    );
}

function nameTaken(name: string, cause?: unknown): Error {
    return new Error(
        `App name "${name}" is taken by someone else: names are unique across all of Fly.\n` +
            "  Choose another app name, or leave it out to have one generated.",
        { cause },
    );
}

/**
 * @param taken Fly's refusal to create the app; a 403 then means that the app belongs to someone else
 * @returns undefined where the app is gone
 */
export async function getApp(
    client: FlyClient,
    name: string,
    taken?: unknown,
): Promise<WireApp | undefined> {
    try {
        return await client.find<WireApp>(["apps", name]);
    } catch (error) {
        if (taken !== undefined && error instanceof FlyError && error.status === 403) {
            throw nameTaken(name, error);
        }
        throw error;
    }
}
