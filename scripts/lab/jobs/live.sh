# A USB webcam plays a film, and a browser on the host watches. The host leaves a file when the camera is to be unplugged, and another when it has seen enough.
mkfifo /tmp/camera
usbcam -film /share/film.mjpeg -shown /tmp/shown -commands /tmp/camera &
echo plug >/tmp/camera
wait_for 20 grep -l "Lab USB Camera" /sys/class/video4linux/video2/name
EXTRA='listen: ":8090"
first_password: /job/password'
# a second camera, by a driver with controls
export CAMWARD_CAMERAS_1_NAME=vivid CAMWARD_CAMERAS_1_SOURCE=/dev/video0 CAMWARD_CAMERAS_1_SIZE=320x180 CAMWARD_CAMERAS_1_RATE=2
agent /dev/video2 5 MJPG
touch /share/ready
wait_for 150 test -e /share/unplug
echo unplug >/tmp/camera
sleep 2
note "plugging in"
echo plug >/tmp/camera
touch /share/plugged
wait_for 150 test -e /share/seen
finish 0
