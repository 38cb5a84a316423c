# A USB webcam sends MJPEG at 5 pictures a second, what an emulated processor can also encode. A figure walks by twice; between the two the camera sends
# broken pictures, goes silent, and is unplugged and plugged in again.
mkfifo /tmp/camera
usbcam -film /share/film.mjpeg -shown /tmp/shown -commands /tmp/camera &
echo plug >/tmp/camera
wait_for 20 grep -l "Lab USB Camera" /sys/class/video4linux/video2/name
camward devices | sed -n '/video2/,$p'
agent /dev/video2 5 MJPG

wait_for 60 shown 82
note "first walk is over; broken pictures"
for fault in trunc err empty; do
	echo $fault >/tmp/camera
	sleep 0.6
done
echo stall >/tmp/camera
sleep 3
echo run >/tmp/camera
wait_for 30 shown 95
note "unplugging"
echo unplug >/tmp/camera
sleep 2
echo plug >/tmp/camera

wait_for 90 shown 190
wait_for 60 idle
finish 0
