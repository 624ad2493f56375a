/** Making an app, or taking the one that is there: to be imported, or an earlier run's. */
import type { AppInputs } from "./inputs.ts";
import { adoptApp, refuseOtherOrganization } from "./adopt.ts";
import type { FlyClient } from "../api/client.ts";
import { FlyError, isAmbiguous, isGone } from "../api/errors.ts";
import { IMPORTED_BEFORE } from "../ownership.ts";
import type { WireApp } from "../api/types.ts";
import { deadlineIn, poll } from "../api/wait.ts";

/** A name that is taken may be that of an app on its way out. */
const NAME_FREE_WITHIN_S = 10;

/** POST first: the usual case is a free name, and one request. */
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
            // It may be new: a run that was killed made it a moment ago.
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
            "  Choose another app name, or leave it out to have one made.",
        { cause },
    );
}

/** @param taken the refusal that made us look: 403 then says whose the app is not */
export async function getApp(
    client: FlyClient,
    name: string,
    taken?: unknown,
): Promise<WireApp | undefined> {
    try {
        return await client.get<WireApp>(["apps", name]);
    } catch (error) {
        if (isGone(error)) {
            return undefined;
        }
        if (taken !== undefined && error instanceof FlyError && error.status === 403) {
            throw nameTaken(name, error);
        }
        throw error;
    }
}
