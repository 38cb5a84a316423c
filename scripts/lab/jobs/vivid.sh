# vivid's capture card delivers raw YUYV, 60 pictures a second, of which 4 are new: far more than an
# emulated processor can encode, so the agent has to leave pictures out evenly.
vividfeed -rate 4 -walk 32,24,104,1 -shown /tmp/shown &
wait_for 20 shown 3
agent /dev/video0 15 YUYV

wait_for 90 shown 80
wait_for 90 idle
finish 0
