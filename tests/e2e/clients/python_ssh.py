"""Does with paramiko or asyncssh what every SSH client of the stage does, and prints what it saw.

    python python_ssh.py paramiko|asyncssh PORT USER HOST_KEY FOLDER PASSWORD|@KEY_FILE

HOST_KEY is a line as in known_hosts, without the host. FOLDER is one on the host to write in.
"""

import asyncio
import base64
import io
import sys

import asyncssh
import paramiko

CONTENT = bytes(range(256)) * 4096


def show(step, *values):
    print(step, *values, sep=" | ")


def with_paramiko(port, user, host_key, folder, credential):
    client = paramiko.SSHClient()
    kind, key = host_key.split(" ")[:2]
    known = paramiko.PKey.from_type_string(kind, base64.b64decode(key))
    client.get_host_keys().add(f"[127.0.0.1]:{port}", kind, known)
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    login = {"key_filename": credential[1:]} if credential.startswith("@") else {"password": credential}
    client.connect("127.0.0.1", port, user, allow_agent=False, look_for_keys=False, **login)

    def run(command, given=b""):
        stdin, stdout, stderr = client.exec_command(command)
        stdin.write(given)
        stdin.channel.shutdown_write()
        out, errors = stdout.read().decode(), stderr.read().decode()
        return stdout.channel.recv_exit_status(), out, errors

    show("run", *run("echo out; echo err >&2; exit 3"))
    show("given", *run("wc -c", CONTENT))
    show("much", len(run("head -c 3000000 /dev/zero | tr '\\0' x")[1]))
    channels = [client.get_transport().open_session() for _ in range(8)]
    for number, channel in enumerate(channels):
        channel.exec_command(f"echo {number}")
    show("at once", [channel.makefile().read().decode().strip() for channel in channels])
    shell = client.invoke_shell(term="dumb", width=91, height=23)
    shell.send(b"stty size; exit 5\n")
    seen = shell.makefile().read().decode()
    show("shell", "23 91" in seen, shell.recv_exit_status())
    sftp = client.open_sftp()
    sftp.putfo(io.BytesIO(CONTENT), f"{folder}/file")
    got = io.BytesIO()
    sftp.getfo(f"{folder}/file", got)
    show("file", got.getvalue() == CONTENT, sftp.stat(f"{folder}/file").st_size)
    sftp.posix_rename(f"{folder}/file", f"{folder}/other")
    show("listed", sorted(sftp.listdir(folder)))
    sftp.remove(f"{folder}/other")
    show("after", sorted(sftp.listdir(folder)))
    client.close()


async def with_asyncssh(port, user, host_key, folder, credential):
    login = {"client_keys": [credential[1:]]} if credential.startswith("@") else {"password": credential, "client_keys": None}
    known = asyncssh.import_known_hosts(f"[127.0.0.1]:{port} {host_key}\n")
    async with asyncssh.connect(
        "127.0.0.1", port, username=user, known_hosts=known, agent_path=None, config=None, **login
    ) as connection:

        async def run(command, **more):
            done = await connection.run(command, **more)
            return done.exit_status, done.stdout, done.stderr

        show("run", *await run("echo out; echo err >&2; exit 3"))
        show("given", *await run("wc -c", input=CONTENT.decode("latin-1"), encoding="latin-1"))
        show("much", len((await run("head -c 3000000 /dev/zero | tr '\\0' x"))[1]))
        at_once = await asyncio.gather(*[run(f"echo {number}") for number in range(8)])
        show("at once", [out.strip() for _, out, _ in at_once])
        shell = await connection.create_process(term_type="dumb", term_size=(91, 23))
        shell.stdin.write("stty size; exit 5\n")
        seen = await shell.stdout.read()
        await shell.wait_closed()
        show("shell", "23 91" in seen, shell.exit_status)
        async with connection.start_sftp_client() as sftp:
            async with sftp.open(f"{folder}/file", "wb") as file:
                await file.write(CONTENT)
            async with sftp.open(f"{folder}/file", "rb") as file:
                show("file", await file.read() == CONTENT, (await sftp.stat(f"{folder}/file")).size)
            await sftp.posix_rename(f"{folder}/file", f"{folder}/other")
            listed = [name for name in await sftp.listdir(folder) if name not in (".", "..")]
            show("listed", sorted(listed))
            await sftp.remove(f"{folder}/other")
            listed = [name for name in await sftp.listdir(folder) if name not in (".", "..")]
            show("after", sorted(listed))


def main(name, port, user, host_key, folder, credential):
    arguments = (int(port), user, host_key, folder, credential)
    if name == "paramiko":
        with_paramiko(*arguments)
    else:
        asyncio.run(with_asyncssh(*arguments))


main(*sys.argv[1:])
