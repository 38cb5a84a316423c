"""A WHEP viewer made with aiortc, which shares no code with the camera.

whep.py URL PICTURES: watches until so many pictures have been decoded, ends the session, and prints as JSON the size of the
pictures, the strip of each that holds its number (256 x 8 samples of luma, base64), and the statuses of the answers.
"""
import asyncio
import base64
import json
import sys
import urllib.parse
import urllib.request

from aiortc import RTCPeerConnection, RTCSessionDescription


def request(method, url, body=None, kind=None):
    r = urllib.request.Request(url, method=method, data=body, headers={"Content-Type": kind} if kind else {})
    with urllib.request.urlopen(r, timeout=20) as answer:
        return answer.status, answer.headers, answer.read().decode()


def strip(frame):
    """The mark: at (8, height - 16 rounded down to 8), as video.MarkAt has it."""
    luma = frame.reformat(format="gray").to_ndarray()
    top = (frame.height - 16) & ~7
    return base64.b64encode(luma[top:top + 8, 8:264].tobytes()).decode()


async def watch(url, pictures):
    connection = RTCPeerConnection()
    connection.addTransceiver("video", direction="recvonly")
    await connection.setLocalDescription(await connection.createOffer())
    offer = connection.localDescription.sdp
    loop = asyncio.get_running_loop()
    post, headers, answer = await loop.run_in_executor(None, request, "POST", url, offer.encode(), "application/sdp")
    await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    track = connection.getTransceivers()[0].receiver.track
    strips = []
    while len(strips) < pictures:
        frame = await asyncio.wait_for(track.recv(), 20)
        strips.append(strip(frame))
    session = urllib.parse.urljoin(url, headers["Location"])
    delete, _, _ = await loop.run_in_executor(None, request, "DELETE", session)
    await connection.close()
    print(json.dumps({"width": frame.width, "height": frame.height, "strips": strips, "post": post, "delete": delete}))


asyncio.run(asyncio.wait_for(watch(sys.argv[1], int(sys.argv[2])), 60))
